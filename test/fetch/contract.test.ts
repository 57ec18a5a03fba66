import { adapterContract, useBench } from '../adapter-contract.ts'
import { fetchAdapter } from './adapter.ts'

adapterContract(fetchAdapter, useBench())
