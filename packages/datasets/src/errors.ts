/** Base of every error of this package; `code` is stable. */
export abstract class DatasetError extends Error {
  abstract readonly code: string

  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
  }
}

/** The files are not on this machine and could not be fetched, or not in time. */
export class DatasetUnavailableError extends DatasetError {
  readonly code = 'DATASET_UNAVAILABLE'
  readonly folder: string
  readonly files: readonly string[]

  constructor(title: string, folder: string, files: readonly string[], reason: string, options?: ErrorOptions) {
    const remedy = `Put ${files.join(', ')} into ${folder}, or set NOPROP_DATASETS_DIR to a folder that holds them.`
    super(`${title} is not on this machine${reason ? ` and could not be downloaded (${reason})` : ''}. ${remedy}`, options)
    this.folder = folder
    this.files = files
  }
}

/** A file is there but does not hold what it should. */
export class DatasetCorruptError extends DatasetError {
  readonly code = 'DATASET_CORRUPT'
  readonly file: string

  constructor(file: string, problem: string, options?: ErrorOptions) {
    super(`${file} ${problem}. Delete it so that it is fetched again, or replace it with a good copy.`, options)
    this.file = file
  }
}

/** The request itself makes no sense: an unknown set, an index outside it, a validation split that leaves nothing to train on. */
export class DatasetRequestError extends DatasetError {
  readonly code = 'DATASET_REQUEST'
}
