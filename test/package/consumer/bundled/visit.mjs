// Two requests of one browser, and what they were answered.
export async function visit(port) {
  const url = `http://127.0.0.1:${port}/`
  const first = await fetch(url)
  const [cookie] = first.headers.getSetCookie().map((line) => line.split(';')[0])
  const second = await fetch(url, { headers: { cookie } })
  console.log('views', await first.json(), await second.json())
  process.exit()
}
