import { adapterContract, useBench } from '../adapter-contract.ts'
import { express4, expressAdapter } from './versions.ts'

adapterContract(expressAdapter(express4), useBench())
