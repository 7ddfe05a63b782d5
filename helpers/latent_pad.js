// A map of 2-D latents: points by class, axes, and a cross-hair that follows the pointer and the arrow keys.
// Everything drawn comes from the kernel; only the cross-hair's place goes back, at most once a frame.
const LEFT = 40, TOP = 10, RIGHT = 12, BOTTOM = 34; // pixels around the box, room for the numbers of the axes
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };
const INK = "#333333"; // the canvas is white in every theme, so that the colours keep their contrast

function numbers(view, Kind) { // a copy, since the bytes need not begin where a float may
  return new Kind(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

function ticks(low, high) { // round numbers, four to nine of them
  const rough = (high - low) / 4, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [5, 2, 1].find((factor) => factor * power <= rough);
  const first = Math.ceil(low / step - 1e-9), count = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: count }, (_, index) => Number(((first + index) * step).toPrecision(9)));
}

function shown(number) { return number.toFixed(2).replace("-", "\u2212"); }

function element(tag, className, parent, text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  parent.append(made);
  return made;
}

function render({ model, el }) {
  const size = model.get("size"), ratio = window.devicePixelRatio || 1;
  const width = size - LEFT - RIGHT, height = size - TOP - BOTTOM;
  const pad = element("div", "latent-pad", el), canvas = element("canvas", "latent-pad-map", pad);
  const readout = element("div", "latent-pad-readout", pad), legend = element("div", "latent-pad-legend", pad);
  const picture = document.createElement("canvas"); // axes and points, drawn once and copied in each frame
  let only = -1, frame = 0, wanted = null;
  pad.dataset.lmSuppressShortcuts = "true"; // else the arrow keys would move JupyterLab's selected cell
  pad.style.width = canvas.style.width = canvas.style.height = `${size}px`;
  canvas.width = canvas.height = picture.width = picture.height = Math.round(size * ratio);
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-roledescription", "two-dimensional slider");
  canvas.setAttribute("aria-label", model.get("description"));
  readout.setAttribute("role", "status");

  const box = () => [...model.get("low"), ...model.get("high")];
  function toPixels(x, y) {
    const [left, bottom, right, top] = box();
    return [LEFT + ((x - left) / (right - left)) * width, TOP + ((top - y) / (top - bottom)) * height];
  }

  function drawPoints(pen) {
    const places = numbers(model.get("points"), Float32Array), classes = numbers(model.get("labels"), Uint8Array);
    const colours = model.get("colours");
    for (const chosen of only < 0 ? [false] : [false, true]) { // the chosen class last, above the others
      classes.forEach((kind, index) => {
        if ((kind === only) !== chosen) return;
        pen.globalAlpha = only < 0 || chosen ? 0.75 : 0.08;
        pen.fillStyle = colours[kind];
        pen.beginPath();
        pen.arc(...toPixels(places[2 * index], places[2 * index + 1]), 2.2, 0, 7);
        pen.fill();
      });
    }
  }

  function drawPicture() {
    const pen = picture.getContext("2d"), [left, bottom, right, top] = box(), axes = model.get("axes");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    Object.assign(pen, { globalAlpha: 1, fillStyle: "white", strokeStyle: "#dddddd", font: "12px sans-serif" });
    pen.fillRect(0, 0, size, size);
    const write = (text, x, y, align) => { pen.fillStyle = INK; pen.textAlign = align; pen.fillText(text, x, y); };
    for (const tick of ticks(left, right)) {
      const [x] = toPixels(tick, top);
      pen.strokeRect(x, TOP, 0, height);
      write(String(tick).replace("-", "\u2212"), x, TOP + height + 15, "center");
    }
    for (const tick of ticks(bottom, top)) {
      const [, y] = toPixels(left, tick);
      pen.strokeRect(LEFT, y, width, 0);
      write(String(tick).replace("-", "\u2212"), LEFT - 5, y + 4, "right");
    }
    write(axes[0], LEFT + width / 2, size - 5, "center");
    write(axes[1], 4, TOP + height / 2 - 12, "left");
    pen.save();
    pen.beginPath();
    pen.rect(LEFT, TOP, width, height);
    pen.clip();
    drawPoints(pen);
    pen.restore();
    pen.strokeStyle = INK;
    pen.strokeRect(LEFT, TOP, width, height);
    draw();
  }

  function draw() {
    const pen = canvas.getContext("2d"), [x, y] = toPixels(model.get("x"), model.get("y")), axes = model.get("axes");
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.drawImage(picture, 0, 0);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    for (const [colour, thickness] of [["white", 4], ["black", 1.5]]) { // seen on any colour
      Object.assign(pen, { strokeStyle: colour, lineWidth: thickness });
      pen.beginPath();
      pen.arc(x, y, 6, 0, 7);
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        pen.moveTo(x + 6 * dx, y + 6 * dy);
        pen.lineTo(x + 14 * dx, y + 14 * dy);
      }
      pen.stroke();
    }
    readout.textContent = `${axes[0]} = ${shown(model.get("x"))}, ${axes[1]} = ${shown(model.get("y"))}`;
  }

  function move(x, y) {
    const [left, bottom, right, top] = box(), clip = (value, low, high) => Math.min(Math.max(value, low), high);
    wanted = [clip(x, left, right), clip(y, bottom, top)];
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      model.set({ x: wanted[0], y: wanted[1] });
      model.save_changes();
      wanted = null;
    });
  }

  function point(event) {
    const edge = canvas.getBoundingClientRect(), [left, bottom, right, top] = box(), scale = size / edge.width;
    const across = ((event.clientX - edge.left) * scale - LEFT) / width;
    const up = 1 - ((event.clientY - edge.top) * scale - TOP) / height;
    move(left + across * (right - left), bottom + up * (top - bottom));
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    canvas.setPointerCapture(event.pointerId);
    canvas.focus();
    point(event);
  });
  canvas.addEventListener("pointermove", (event) => { if (canvas.hasPointerCapture(event.pointerId)) point(event); });
  canvas.addEventListener("keydown", (event) => {
    const step = STEPS[event.key], [left, bottom, right, top] = box(), share = event.shiftKey ? 1 / 10 : 1 / 50;
    if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const [x, y] = wanted ?? [model.get("x"), model.get("y")];
    move(x + step[0] * share * (right - left), y + step[1] * share * (top - bottom));
  });

  model.get("names").forEach((name, kind) => {
    const entry = element("button", "latent-pad-name", legend, name), swatch = element("i", "", entry);
    Object.assign(entry, { type: "button", title: `show only ${name}; again for all` });
    entry.setAttribute("aria-pressed", "false");
    swatch.style.background = model.get("colours")[kind];
    entry.prepend(swatch);
    entry.addEventListener("click", () => {
      only = only === kind ? -1 : kind;
      [...legend.children].forEach((other, index) => other.setAttribute("aria-pressed", String(index === only)));
      drawPicture();
    });
  });
  model.on("change:x change:y", draw);
  model.on("change:points change:labels change:low change:high", drawPicture);
  drawPicture();
  return () => cancelAnimationFrame(frame);
}

export default { render };
