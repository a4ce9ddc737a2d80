import { defineIdxDataset } from './idx-dataset.ts'

/**
 * The clothes of H. Xiao, K. Rasul and R. Vollgraf (Zalando), in the format of MNIST. Only the checksums of the archives are published: what was
 * unpacked by others is checked by its size, its header and its labels.
 */
export const fashionMnist = defineIdxDataset({
  facts: {
    name: 'fashion-mnist',
    title: 'Fashion-MNIST',
    description: 'Photographs of clothes, shoes and bags, 28×28, grey on black: 60,000 to train on and 10,000 to test with.',
    classes: ['T-shirt/top', 'Trouser', 'Pullover', 'Dress', 'Coat', 'Sandal', 'Shirt', 'Sneaker', 'Bag', 'Ankle boot'],
    imageShape: [28, 28, 1],
    trainExamples: 60_000,
    testExamples: 10_000,
    normalization: { mean: [0.286], std: [0.353] },
  },
  mirrors: [
    'https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/',
    'http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/',
  ],
  // files of MNIST have the same names, so they are not looked for without a folder of their own
  localFolders: ['fashion-mnist', 'fashion-mnist/data/fashion', 'FashionMNIST/raw', 'FashionMNIST', 'fashion'],
  files: {
    train: {
      images: {
        name: 'train-images-idx3-ubyte',
        shape: [60_000, 28, 28],
        sha256: null,
        archive: { sizeBytes: 26_421_880, sha256: '3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84' },
      },
      labels: {
        name: 'train-labels-idx1-ubyte',
        shape: [60_000],
        sha256: null,
        archive: { sizeBytes: 29_515, sha256: 'a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845' },
      },
    },
    test: {
      images: {
        name: 't10k-images-idx3-ubyte',
        shape: [10_000, 28, 28],
        sha256: null,
        archive: { sizeBytes: 4_422_102, sha256: '346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073' },
      },
      labels: {
        name: 't10k-labels-idx1-ubyte',
        shape: [10_000],
        sha256: null,
        archive: { sizeBytes: 5_148, sha256: '67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5' },
      },
    },
  },
})
