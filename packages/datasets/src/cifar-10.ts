import { defineCifarDataset } from './cifar-dataset.ts'

const records = 10_000

/**
 * The tiny photographs of A. Krizhevsky, V. Nair and G. Hinton, as the binary version that they publish. Checksums are those of the original files;
 * mean and deviation were measured on the training images.
 */
export const cifar10 = defineCifarDataset({
  facts: {
    name: 'cifar-10',
    title: 'CIFAR-10',
    description: 'Photographs of ten kinds of animals and vehicles, 32×32, in colour: 50,000 to train on and 10,000 to test with.',
    classes: ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'],
    imageShape: [32, 32, 3],
    trainExamples: 50_000,
    testExamples: 10_000,
    normalization: { mean: [0.4914, 0.48216, 0.44653], std: [0.24703, 0.24349, 0.26159] },
  },
  labelBytes: 1,
  files: {
    train: [
      { name: 'data_batch_1.bin', records, sha256: 'cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5' },
      { name: 'data_batch_2.bin', records, sha256: 'a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed' },
      { name: 'data_batch_3.bin', records, sha256: 'bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67' },
      { name: 'data_batch_4.bin', records, sha256: '014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48' },
      { name: 'data_batch_5.bin', records, sha256: '755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add' },
    ],
    test: [{ name: 'test_batch.bin', records, sha256: '8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b' }],
  },
  archive: {
    name: 'cifar-10-binary.tar.gz',
    folder: 'cifar-10-batches-bin',
    sizeBytes: 170_052_171,
    sha256: 'c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd',
  },
  mirrors: ['https://www.cs.toronto.edu/~kriz/'],
  localFolders: [
    'cifar-10/cifar-10-batches-bin',
    'cifar-10',
    'cifar-10-batches-bin',
    'cifar10/cifar-10-batches-bin',
    'cifar10',
    'CIFAR10/cifar-10-batches-bin',
    'CIFAR10',
    '.',
  ],
})
