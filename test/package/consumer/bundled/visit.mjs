// Two requests of one browser, and what they were answered.
export async function visit(port) {
  const url = `http://127.0.0.1:${port}/`
  const first = await fetch(url)
  const [cookie] = first.headers.getSetCookie().map((line) => line.split(';')[0])
  // express-session has saved when the answer ends.
  const views = await first.json()
  const second = await fetch(url, { headers: { cookie } })
  console.log('views', views, await second.json())
  process.exit()
}
