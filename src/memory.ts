/**
 * Keeps sessions in this process, for development and tests.
 *
 * @module coatcheck/memory
 */

export { type MemoryStoreOptions, memoryStore } from './memory/memory-store.ts'
