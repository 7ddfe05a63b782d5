"""Shared utilities of the notebooks: data loading, text and image processing, training, plots, sliders.

Importing any part of the package sets three environment variables first, and only where the reader
has not: TensorFlow's start-up messages are turned off, Keras runs on TensorFlow, and a GPU's memory
is taken as it is needed instead of all at once.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
