import { adapterContract, useBench } from '../adapter-contract.ts'
import { http2Adapter } from './http2.ts'

adapterContract(http2Adapter, useBench())
