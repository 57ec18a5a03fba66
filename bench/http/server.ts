// The process under test: one application, which tells how much processor time it has used.
// Arguments: the application's file and name, the URL of Redis.

import type { AddressInfo } from 'node:net'
import { type Application, connect } from './application.ts'

const [file = '', name = '', url = ''] = process.argv.slice(2)
const applications = (await import(`./${file}.ts`)) as Record<string, Application>
const application = applications[name]
if (application === undefined) throw new Error(`There is no application ${name} in ${file}.ts`)

const server = await application(await connect(url))
process.send?.({ port: (server.address() as AddressInfo).port })
process.on('message', () => process.send?.({ cpu: process.cpuUsage() }))
process.on('disconnect', () => process.exit())
