"""The first edition's dream, painting and GAN, beside the notebooks'.

Chollet, *Deep Learning with Python*, 1st edition, sections 8.2, 8.3 and 8.5, written afresh: compiled losses and
gradients, with loops of Python, NumPy and SciPy around them, as its Keras had them.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from scipy.ndimage import zoom
from scipy.optimize import fmin_l_bfgs_b

from bench import dream, gan, style
from bench.measure import SEED, Sizes, interleaved_rates, say, seconds_of
from bench.report import Row, rate_row
from helpers.data import faces as face_data
from helpers.training.batches import PictureBatches
from tools.lift import lift

EDITION = "first edition"
STEP = 0.01  # of the dream, for numbers in [-1, 1]
ROUND = 20  # evaluations of L-BFGS, which begins anew after them
SIDE, BATCH, LATENT = 32, 20, 32  # of the GAN


def recipe_dream(net: keras.Model, weights: dict[str, float], picture: np.ndarray, steps: int) -> np.ndarray:
    """Dream as section 8.2 does, but for its maximum of the loss. Arguments and result are `dream.recipe_dream`'s."""
    extractor = dream.looker(net, weights)

    @tf.function(reduce_retracing=True)
    def loss_and_gradient(image):
        with tf.GradientTape() as tape:
            tape.watch(image)
            loss, seen = tf.zeros(()), extractor(image)
            for name, weight in weights.items():
                inner = tf.reduce_sum(tf.square(seen[name][:, 2:-2, 2:-2, :]))
                loss += weight * inner / tf.cast(tf.size(seen[name]), tf.float32)
        gradient = tape.gradient(loss, image)
        return loss, gradient / tf.maximum(tf.reduce_mean(tf.abs(gradient)), 1e-7)

    def climb(image):
        return image + STEP * loss_and_gradient(tf.constant(image))[1].numpy()

    def resized(image, shape):
        return zoom(image, (1, shape[0] / image.shape[1], shape[1] / image.shape[2], 1), order=1)

    return dream.by_octaves(picture, steps, resized, climb)


def whole_dream(sizes: Sizes) -> list[Row]:
    """Return the row of the seconds of a whole dream by the first edition."""
    return dream.compare(EDITION, f"DeepDream, {EDITION}", recipe_dream, STEP, "mean_absolute", 1, sizes)


def painting(sizes: Sizes) -> list[Row]:
    """Return the row of seconds to the loss that section 8.3's L-BFGS reaches, with three images at each evaluation.

    Both minimise the same loss. The book's begins anew after each round, and forgets the slopes that it has seen.
    """
    task = style.Task(sizes.race_height, EDITION)
    np.testing.assert_allclose(task.recipe_step(), task.our_step(), rtol=1e-3)  # and both are traced by that
    shape, evaluations = task.picture.shape, 0

    def loss_and_slopes(flat: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal evaluations
        evaluations += 1
        loss, gradient = task.recipe(tf.Variable(flat.reshape(shape), dtype=tf.float32))
        return float(loss), gradient.numpy().ravel().astype(np.float64)

    goal, picture = np.inf, task.picture.numpy().ravel().astype(np.float64)

    def paint() -> None:
        nonlocal goal, picture
        for _ in range(sizes.first_rounds):
            picture, goal, _ = fmin_l_bfgs_b(loss_and_slopes, picture, maxfun=ROUND)
            say(f"painting of the {EDITION}: loss {goal:.5g} after {evaluations} evaluations")

    theirs = seconds_of(paint)
    history = style.descend(task, task.notebook.lbfgs, evaluations)
    job = f"style transfer, {EDITION}, {shape[1]}x{shape[2]}: seconds to the loss of {sizes.first_rounds} rounds"
    remark = f"a loss of {goal:.4g} after {evaluations} evaluations."
    return [style.race_row(job, theirs, history, goal, 1, f"{task.network.name}; {remark}")]


def gan_networks() -> tuple[keras.Model, keras.Model]:
    """Return section 8.5's generator and discriminator, but for the sigmoid at the discriminator's end."""
    half, same = SIDE // 2, {"padding": "same"}
    start = [layers.Dense(128 * half**2), layers.LeakyReLU(), layers.Reshape((half, half, 128))]
    body = [layers.Conv2D(256, 5, **same), layers.Conv2DTranspose(256, 4, 2, **same)]
    body += [layers.Conv2D(256, 5, **same), layers.Conv2D(256, 5, **same)]
    bends = [layer for convolution in body for layer in (convolution, layers.LeakyReLU())]
    last = layers.Conv2D(3, 7, activation="tanh", **same)
    generator = keras.Sequential([keras.Input((LATENT,)), *start, *bends, last])
    looks = [layers.Conv2D(128, 3), *(layers.Conv2D(128, 4, 2) for _ in range(3))]
    bends = [layer for convolution in looks for layer in (convolution, layers.LeakyReLU())]
    end = [layers.Flatten(), layers.Dropout(0.4), layers.Dense(1)]
    return generator, keras.Sequential([keras.Input((SIDE, SIDE, 3)), *bends, *end])


class RecipeGAN:
    """Section 8.5's loop: `predict`, then a batch for the discriminator, then one for both with it held still."""

    def __init__(self) -> None:
        self.generator, self.discriminator = gan_networks()
        loss = keras.losses.BinaryCrossentropy(from_logits=True)
        self.discriminator.compile(keras.optimizers.RMSprop(8e-4, clipvalue=1.0), loss, jit_compile=False)
        self.both = keras.Sequential([keras.Input((LATENT,)), self.generator, self.discriminator])
        self.both.compile(keras.optimizers.RMSprop(4e-4, clipvalue=1.0), loss, jit_compile=False)
        self.random = np.random.default_rng(SEED)

    def train(self, faces: np.ndarray) -> None:
        """Train on faces (n, 32, 32, 3) in [-1, 1], a batch after the other; 1 stands for fake."""
        for start in range(0, len(faces), BATCH):
            real = faces[start : start + BATCH]
            fake = self.generator.predict(self.random.normal(size=(len(real), LATENT)), verbose=0)
            labels = np.repeat([[1.0], [0.0]], len(real), axis=0)
            labels += 0.05 * self.random.random(labels.shape)
            self.discriminator.trainable = True  # Keras 3 looks when it traces a step, not when it compiles
            self.discriminator.train_on_batch(np.concatenate([fake, real]), labels)
            self.discriminator.trainable = False
            self.both.train_on_batch(self.random.normal(size=(len(real), LATENT)), np.zeros((len(real), 1)))


def gan_training(sizes: Sizes) -> list[Row]:
    """Return the row of pictures trained on in a second, with the book's networks both ways."""
    notebook = lift(gan.NOTEBOOK, "GAN", "step_operations")
    faces = face_data.load_faces(BATCH * sizes.first_gan_steps, 1).train_images[:, ::2, ::2]
    recipe, ours = RecipeGAN(), notebook.GAN(*gan_networks())
    ours.compile()
    dataset, floats = PictureBatches(faces, BATCH, SEED)(0), faces.astype(np.float32) / 127.5 - 1
    rates = interleaved_rates(
        (lambda: recipe.train(floats), len(faces)),
        (lambda: ours.fit(dataset, shuffle=False, verbose=0), len(faces)),
        sizes.repeats,
    )
    costs = tuple(notebook.step_operations(ours.generator, ours.discriminator, paintings) for paintings in (2, 1))
    remark = f"arithmetic a picture: {costs[0] / 1e9:.3g} and {costs[1] / 1e9:.3g} GFLOP; faces of {SIDE}x{SIDE}."
    return [rate_row(f"GAN training, {EDITION}'s network, pictures", "per second", *rates, 1.2, [remark], costs)]
