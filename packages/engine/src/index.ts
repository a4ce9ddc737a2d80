export * from './errors.ts'
export { exportOnnx } from './onnx/export-onnx.ts'
export { describeDevices, type DeviceDescription, type DeviceOptions, openDevice } from './open-device.ts'
export type * from './program.ts'
