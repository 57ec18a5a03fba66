import { adapterContract, useBench } from '../adapter-contract.ts'
import { fastifyAdapter } from './adapter.ts'

adapterContract(fastifyAdapter, useBench())
