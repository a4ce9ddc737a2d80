import { defineCifarDataset } from './cifar-dataset.ts'

/** In the order of the archive's fine_label_names.txt. */
const fineLabelNames = `
  apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
  caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish
  forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle
  mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
  possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
  sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle wardrobe whale willow_tree
  wolf woman worm
`

/**
 * The hundred kinds of tiny photographs of A. Krizhevsky, as the binary version that he publishes; the class is the fine label. Checksums are those
 * of the original files, mean and deviation the usual ones.
 */
export const cifar100 = defineCifarDataset({
  facts: {
    name: 'cifar-100',
    title: 'CIFAR-100',
    description: 'Photographs of a hundred kinds of things and creatures, 32×32, in colour: 50,000 to train on and 10,000 to test with.',
    classes: fineLabelNames.trim().split(/\s+/),
    imageShape: [32, 32, 3],
    trainExamples: 50_000,
    testExamples: 10_000,
    normalization: { mean: [0.5071, 0.4865, 0.4409], std: [0.2673, 0.2564, 0.2762] },
  },
  labelBytes: 2,
  files: {
    train: [{ name: 'train.bin', records: 50_000, sha256: 'f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29' }],
    test: [{ name: 'test.bin', records: 10_000, sha256: 'd8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a' }],
  },
  archive: {
    name: 'cifar-100-binary.tar.gz',
    folder: 'cifar-100-binary',
    sizeBytes: 168_513_733,
    sha256: '58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec',
  },
  mirrors: ['https://www.cs.toronto.edu/~kriz/'],
  localFolders: [
    'cifar-100/cifar-100-binary',
    'cifar-100',
    'cifar-100-binary',
    'cifar100/cifar-100-binary',
    'cifar100',
    'CIFAR100/cifar-100-binary',
    'CIFAR100',
  ],
})
