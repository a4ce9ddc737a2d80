// What bench/methods.mjs trains: each row a preset with changes, and what the paper reports for the method at full length.

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

const methods = {
  dt: { preset: 'quick' },
  'dt, learned': { preset: 'quick-learned' },
  'dt, prototype': { preset: 'quick-prototype' },
  ct: { preset: 'quick-ct' },
  'ct, learned': { preset: 'quick-ct', config: { embedding: 'learned' } },
  fm: { preset: 'quick-fm' },
  'fm, learned': { preset: 'quick-fm', config: { embedding: 'learned' } },
  'back-propagation': { preset: 'quick-backprop' },
  'forward-forward': { preset: 'quick-forward-forward' },
  adjoint: { preset: 'quick-adjoint' },
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
    title: "What is ours, each alone against the paper's choices: NoProp-DT with one-hot labels on MNIST, 2 epochs",
    dataset: 'mnist',
    overrides: { epochs: 2, evaluation_interval: 2, validation_size: 0 },
    rows: {
      "the paper's choices": { preset: 'quick', config: paperChoices },
      'four noise draws per image': { preset: 'quick', config: { ...paperChoices, noise_samples: 4 } },
      'cosine learning rate': { preset: 'quick', config: { ...paperChoices, learning_rate_schedule: 'cosine' } },
      'EMA of weights, 0.99': { preset: 'quick', config: { ...paperChoices, ema_decay: 0.99 } },
      'label smoothing, 0.1': { preset: 'quick', config: { ...paperChoices, label_smoothing: 0.1 } },
      'learning rate 2e-3': { preset: 'quick', config: { ...paperChoices, learning_rate: 2e-3 } },
    },
    published: {},
  },
  cifar10: {
    title: 'CIFAR-10, 3 epochs',
    dataset: 'cifar-10',
    overrides: { epochs: 3, evaluation_interval: 3, validation_size: 0 },
    rows: methods,
    published: published.cifar10,
  },
}
