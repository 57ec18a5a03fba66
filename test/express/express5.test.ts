import { adapterContract, useBench } from '../adapter-contract.ts'
import { express5, expressAdapter } from './versions.ts'

adapterContract(expressAdapter(express5), useBench())
