import { adapterContract, useBench } from '../adapter-contract.ts'
import { honoAdapter } from './adapter.ts'

adapterContract(honoAdapter, useBench())
