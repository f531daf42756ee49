"""The recipe of the bundled models: data, training, evaluation, export; and the weights."""
