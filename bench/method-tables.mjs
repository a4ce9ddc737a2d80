// What bench/methods.mjs trains: each row changes of the preset `quick`, and what the paper reports for the method at full length.

/** Test accuracy in percent, mean ± standard deviation of 15 values: Table 1 of arXiv:2503.24322. */
const published = {
  mnist: {
    dt: '99.47 ± 0.05',
    'dt, learned': '99.49 ± 0.04',
    'dt, prototype': '99.54 ± 0.04',
    ct: '97.84 ± 0.71',
    'ct, learned': '97.70 ± 0.51',
    fm: '99.21 ± 0.09',
    'fm, learned': '99.29 ± 0.05',
    'back-propagation': '99.46 ± 0.06',
    'forward-forward': '98.63',
    adjoint: '98.62 ± 0.14',
  },
  cifar10: {
    dt: '79.25 ± 0.28',
    'dt, learned': '79.12 ± 0.37',
    'dt, prototype': '80.54 ± 0.20',
    ct: '73.35 ± 0.55',
    'ct, learned': '71.77 ± 2.47',
    fm: '73.14 ± 0.90',
    'fm, learned': '73.50 ± 0.28',
    'back-propagation': '79.92 ± 0.14',
    adjoint: '66.78 ± 0.76',
  },
}

/** Continuous time: the paper's optimizer and η, and a chain of 100 steps in place of 1000. */
const continuous = { optimizer: 'adam', eta: 1, inference_steps: 100 }

const methods = {
  dt: {},
  'dt, learned': { embedding: 'learned' },
  'dt, prototype': { embedding: 'prototype', noise_samples: 1 },
  ct: { method: 'noprop-ct', ...continuous },
  'ct, learned': { method: 'noprop-ct', embedding: 'learned', ...continuous },
  fm: { method: 'noprop-fm', ...continuous },
  'fm, learned': { method: 'noprop-fm', embedding: 'learned', ...continuous },
  'back-propagation': { method: 'backprop', noise_samples: 1 },
  'forward-forward': { method: 'forward-forward', noise_samples: 1 },
  adjoint: { method: 'adjoint', noise_samples: 1, inference_steps: 10 },
}

/** The paper's choices, on the blocks of the quick preset. */
const paperChoices = { noise_samples: 1, learning_rate: 1e-3, learning_rate_schedule: 'constant', ema_decay: 0, label_smoothing: 0 }

export const tables = {
  mnist: {
    title: 'MNIST, 2 epochs',
    dataset: 'mnist',
    overrides: { epochs: 2, evaluation_interval: 2, validation_size: 0 },
    rows: methods,
    published: published.mnist,
  },
  ours: {
    title: "What is ours, each alone against the paper's choices: NoProp-DT with one-hot labels on MNIST, 1 epoch",
    dataset: 'mnist',
    overrides: { epochs: 1, evaluation_interval: 1, validation_size: 0 },
    rows: {
      "the paper's choices": paperChoices,
      'four noise draws per image': { ...paperChoices, noise_samples: 4 },
      'cosine learning rate': { ...paperChoices, learning_rate_schedule: 'cosine' },
      'moving average of weights, 0.99': { ...paperChoices, ema_decay: 0.99 },
      'label smoothing, 0.1': { ...paperChoices, label_smoothing: 0.1 },
      'learning rate 2e-3': { ...paperChoices, learning_rate: 2e-3 },
    },
    published: {},
  },
  cifar10: {
    title: 'CIFAR-10, 4 epochs',
    dataset: 'cifar-10',
    overrides: { epochs: 4, evaluation_interval: 4, validation_size: 0 },
    rows: methods,
    published: published.cifar10,
  },
}
