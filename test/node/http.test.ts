import { adapterContract, useBench } from '../adapter-contract.ts'
import { nodeAdapter } from './servers.ts'

adapterContract(nodeAdapter, useBench())
