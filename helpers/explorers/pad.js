// A map of 2-D latents: points by class, axes, a cross-hair that follows pointer and arrow keys, and two sliders.
// Everything drawn comes from the kernel; only the cross-hair's place goes back, at most once a frame.
const SIZE = 400; // pixels, of the map's square
const LEFT = 40, TOP = 10, RIGHT = 12, BOTTOM = 34; // pixels around the box, for the numbers of the axes
const WIDE = SIZE - LEFT - RIGHT, HIGH = SIZE - TOP - BOTTOM; // pixels, of the box
const AXES = ["z₁", "z₂"];
const DESCRIPTION = "Map of the latent space. Arrow keys move the point, with Shift in larger steps.";
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };
const OWN_KEYS = 'data-lm-suppress-shortcuts="true"'; // without it JupyterLab takes the arrow keys

function numbers(view, Kind) { // a copy, since the bytes need not begin where a float may
  return new Kind(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

function ticks(low, high) { // round numbers, four to nine of them
  const rough = (high - low) / 4, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [5, 2, 1].find((factor) => factor * power <= rough);
  const first = Math.ceil(low / step - 1e-9), count = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: count }, (_, index) => Number(((first + index) * step).toPrecision(9)));
}

const withMinus = (number) => String(number).replace("-", "\u2212");

function drawPoint(pen, x, y) {
  pen.beginPath();
  pen.arc(x, y, 2.2, 0, 7);
  pen.fill();
}

const middle = (values) => values.sort((a, b) => a - b)[values.length >> 1];

function writeNames(pen, names, points, labels, place, only) { // each at the middle of its class
  Object.assign(pen, { globalAlpha: 1, textAlign: "center", font: "bold 11px sans-serif" });
  Object.assign(pen, { lineWidth: 3, lineJoin: "round", strokeStyle: "white", fillStyle: "#222222" });
  names.forEach((name, kind) => {
    const across = points.filter((_, index) => index % 2 === 0 && labels[index >> 1] === kind);
    const up = points.filter((_, index) => index % 2 === 1 && labels[index >> 1] === kind);
    if (!across.length || (only >= 0 && only !== kind)) return;
    const [x, y] = place(middle(across), middle(up));
    pen.strokeText(name, x, y + 4);
    pen.fillText(name, x, y + 4);
  });
}

function drawMap(pen, model, place, only) { // all but the cross-hair
  const [left, bottom] = model.get("low"), [right, top] = model.get("high");
  const [x0, y0] = place(left, top), [x1, y1] = place(right, bottom);
  const write = (text, x, y, align) => {
    Object.assign(pen, { fillStyle: "#333333", textAlign: align, font: "12px sans-serif" });
    pen.fillText(text, x, y);
  };
  Object.assign(pen, { globalAlpha: 1, fillStyle: "white", strokeStyle: "#dddddd" }); // white in every theme
  pen.fillRect(0, 0, SIZE, SIZE);
  for (const tick of ticks(left, right)) {
    pen.strokeRect(place(tick, top)[0], y0, 0, y1 - y0);
    write(withMinus(tick), place(tick, top)[0], y1 + 15, "center");
  }
  for (const tick of ticks(bottom, top)) {
    pen.strokeRect(x0, place(left, tick)[1], x1 - x0, 0);
    write(withMinus(tick), x0 - 5, place(left, tick)[1] + 4, "right");
  }
  write(AXES[0], (x0 + x1) / 2, SIZE - 5, "center");
  write(AXES[1], 3, y0 + 10, "left");
  const points = numbers(model.get("points"), Float32Array), labels = numbers(model.get("labels"), Uint8Array);
  pen.save();
  pen.beginPath();
  pen.rect(x0, y0, x1 - x0, y1 - y0);
  pen.clip();
  for (const isOnly of [false, true]) { // the highlighted class last, above the others
    labels.forEach((kind, index) => {
      if ((kind === only) !== isOnly) return;
      pen.globalAlpha = only < 0 || isOnly ? 0.75 : 0.1;
      pen.fillStyle = model.get("colours")[kind];
      drawPoint(pen, ...place(points[2 * index], points[2 * index + 1]));
    });
  }
  writeNames(pen, model.get("names"), points, labels, place, only);
  pen.restore();
  pen.strokeStyle = "#333333";
  pen.strokeRect(x0, y0, x1 - x0, y1 - y0);
}

function drawCross(pen, x, y) {
  for (const [colour, thickness] of [["white", 4.5], ["black", 2]]) { // seen on any colour
    Object.assign(pen, { strokeStyle: colour, lineWidth: thickness });
    pen.beginPath();
    pen.arc(x, y, 7, 0, 7);
    for (const [dx, dy] of Object.values(ARROWS)) {
      pen.moveTo(x + 7 * dx, y + 7 * dy);
      pen.lineTo(x + 15 * dx, y + 15 * dy);
    }
    pen.stroke();
  }
}

function fillLegend(legend, model, choose) { // names are buttons: one class at a time is highlighted
  let only = -1;
  const entries = model.get("names").map((name, kind) => {
    const entry = document.createElement("button"), swatch = document.createElement("i");
    swatch.style.background = model.get("colours")[kind];
    Object.assign(entry, { type: "button", className: "latent-pad-name", title: `${name}: alone, or with all others` });
    entry.append(swatch, name);
    entry.addEventListener("click", () => {
      choose(only = only === kind ? -1 : kind);
      entries.forEach((other, index) => other.setAttribute("aria-pressed", String(index === only)));
    });
    entry.setAttribute("aria-pressed", "false");
    return entry;
  });
  legend.append(...entries);
}

function addSlider(parent, name, number, moved) { // a slider's own value is a share of its axis, 0 to 1
  const label = document.createElement("label");
  label.innerHTML = `<span>${name}</span><input ${OWN_KEYS} type="range" min="0" max="1" step="0.01"><output>`;
  const [, input, output] = label.children;
  input.className = `explore-z${number}`;
  input.addEventListener("input", () => moved(input.valueAsNumber));
  parent.append(label);
  return (share, value) => { // shows a place that the kernel or the map has set; fires no event
    input.value = share;
    output.value = withMinus(value.toFixed(2));
    input.setAttribute("aria-valuetext", output.value);
  };
}

function render({ model, el }) {
  el.insertAdjacentHTML("beforeend", `<div class="latent-pad"><canvas ${OWN_KEYS} tabindex="0" role="application"
    aria-roledescription="two-dimensional slider"></canvas><div></div><div></div></div>`);
  const [canvas, sliders, legend] = el.lastElementChild.children;
  const map = document.createElement("canvas"); // drawn once, and copied under the cross-hair in each frame
  const ratio = window.devicePixelRatio || 1;
  let only = -1, frame = 0, wanted = null;
  canvas.width = canvas.height = map.width = map.height = Math.round(SIZE * ratio);
  canvas.parentElement.style.width = `${SIZE}px`; // or less, in a narrow window
  canvas.parentElement.style.maxWidth = "calc(100% - 10px)"; // which is its padding
  canvas.style.width = "100%";
  canvas.style.aspectRatio = "1";
  canvas.setAttribute("aria-label", DESCRIPTION);
  for (const drawn of [canvas, map]) drawn.getContext("2d").scale(ratio, ratio);

  const low = () => model.get("low"), span = () => model.get("high").map((value, axis) => value - low()[axis]);
  const shares = () => [model.get("x"), model.get("y")].map((value, axis) => (value - low()[axis]) / span()[axis]);
  const toPixels = ([right, up]) => [LEFT + right * WIDE, TOP + (1 - up) * HIGH];
  const place = (x, y) => toPixels([(x - low()[0]) / span()[0], (y - low()[1]) / span()[1]]);

  function move(to) { // shares of the box along both axes, 0 to 1
    wanted = to.map((share) => Math.min(Math.max(share, 0), 1));
    frame ||= requestAnimationFrame(() => {
      const [x, y] = wanted.map((share, axis) => low()[axis] + share * span()[axis]);
      frame = 0;
      wanted = null;
      model.set({ x, y });
      model.save_changes();
    });
  }
  const setSliders = AXES.map((name, axis) =>
    addSlider(sliders, name, axis + 1, (share) =>
      move((wanted ?? shares()).map((other, place) => place === axis ? share : other))));
  function draw() {
    const pen = canvas.getContext("2d");
    pen.drawImage(map, 0, 0, SIZE, SIZE);
    drawCross(pen, ...toPixels(shares()));
    shares().forEach((share, axis) => setSliders[axis](share, model.get("xy"[axis])));
  }
  function drawAll() {
    drawMap(map.getContext("2d"), model, place, only);
    draw();
  }
  function point(event) {
    const edge = canvas.getBoundingClientRect(), scale = SIZE / edge.width;
    const right = (event.clientX - edge.left) * scale - LEFT, down = (event.clientY - edge.top) * scale - TOP;
    move([right / WIDE, 1 - down / HIGH]);
  }
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    canvas.setPointerCapture(event.pointerId);
    canvas.focus();
    point(event);
  });
  canvas.addEventListener("pointermove", (event) => { if (canvas.hasPointerCapture(event.pointerId)) point(event); });
  canvas.addEventListener("keydown", (event) => {
    const step = ARROWS[event.key];
    if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    move((wanted ?? shares()).map((share, axis) => share + step[axis] / (event.shiftKey ? 10 : 50)));
  });
  fillLegend(legend, model, (kind) => { only = kind; drawAll(); });
  model.on("change:x change:y", draw);
  model.on("change:points change:labels change:low change:high", drawAll);
  drawAll();
  return () => cancelAnimationFrame(frame);
}

export default { render };
