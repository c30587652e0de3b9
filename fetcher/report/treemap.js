// The treemap: made of the table of all URLs, drawn anew for every width. The rest is site.js, which stands above.
{
  const entries = tables.find(one => one.key === "entries") ?? {columns: [], rows: []}
  const place = key => entries.columns.findIndex(column => column[0] === key)
  const [URLS, TYPE, WIRE, DECODED] = ["url", "type", "wire", "decoded"].map(place)
  const MEASURES = {wire: size, decoded: size, count: value => `${count(value)} ${value === 1 ? "file" : "files"}`}
  const HEAD = 19, LEAST = 4, INSIDE = [56, 44], EACH = 200 // pixels, and square pixels for each that is inside
  const DEEP = 4, MOST = 1000 // directories drawn within each other, and boxes side by side
  const node = (name, above) => ({name, above, inside: new Map(), wire: 0, decoded: 0, count: 0, types: {}, type: ""})

  const root = node("all hosts", null)
  for (const row of entries.rows) {
    const [, host, path] = /^[a-z]+:\/\/([^/?#]*)\/?([^]*)$/.exec(row[URLS]) ?? []
    if (host === undefined) continue
    const [before, query] = [path.replace(/[?#].*/s, ""), /[?#].*/s.exec(path)?.[0] ?? ""]
    const parts = [`${host}/`, ...before.split(/(?<=\/)/)]
    if (query || parts.at(-1).endsWith("/")) parts.push((parts.at(-1).endsWith("/") ? "" : parts.pop()) + query)
    let at = root
    for (const [depth, part] of parts.entries()) {
      const leaf = depth === parts.length - 1, key = (leaf ? "file " : "directory ") + part
      if (!at.inside.has(key)) at.inside.set(key, node(part || "(its own page)", at))
      at.wire += row[WIRE] ?? 0
      at.decoded += row[DECODED] ?? 0
      at.count += 1
      at.types[row[TYPE]] = (at.types[row[TYPE]] ?? 0) + (row[WIRE] ?? row[DECODED] ?? 1)
      at = at.inside.get(key)
    }
    Object.assign(at, {url: row[URLS], type: row[TYPE] ?? "other", wire: at.wire + (row[WIRE] ?? 0)})
    at.decoded += row[DECODED] ?? 0
    at.count += 1
  }

  // Bruls, Huizing, van Wijk: Squarified Treemaps (2000): strips whose boxes are as square as they can be.
  const squarify = (sizes, x, y, wide, high) => {
    const scale = wide * high / sizes.reduce((sum, one) => sum + one, 0), places = []
    for (let at = 0; at < sizes.length;) {
      const side = Math.max(Math.min(wide, high), 1e-9)
      let end = at, sum = 0, worst = Infinity
      while (end < sizes.length) {
        const area = sum + sizes[end] * scale
        const odd = Math.max(side ** 2 * sizes[at] * scale / area ** 2, area ** 2 / (side ** 2 * sizes[end] * scale))
        if (odd > worst) break
        ;[worst, sum, end] = [odd, area, end + 1]
      }
      const thick = sum / side
      for (let along = 0; at < end; at++) {
        const long = sizes[at] * scale / thick
        places.push(wide < high ? [x + along, y, long, thick] : [x, y + along, thick, long])
        along += long
      }
      if (wide < high) [y, high] = [y + thick, high - thick]
      else [x, wide] = [x + thick, wide - thick]
    }
    return places
  }

  const page = document.getElementById("map"), map = page.querySelector(".map"), crumbs = page.querySelector(".crumbs")
  const told = page.querySelector(".told"), choice = page.querySelector("select"), boxes = new WeakMap()
  const words = at => `${at.url ?? at.name}: ${MEASURES[choice.value](at[choice.value])}${at.url || choice.value === "count" ? "" : ` in ${MEASURES.count(at.count)}`}`
  const part = (length, of) => `${(100 * length / of).toFixed(3)}%` // so that it fits on paper, too
  let here = root, whole = [0, 0] // pixels

  const heavy = at => [...at.inside.values()].filter(one => one[choice.value])
  const draw = (at, x, y, wide, high, depth) => {
    const heaviest = (a, b) => b[choice.value] - a[choice.value]
    const inside = heavy(at).sort(heaviest), rest = inside.splice(MOST)
    if (rest.length) {
      const more = Object.assign(node(`${count(rest.length)} more`, at), {url: `${count(rest.length)} more`, type: "other"})
      for (const one of rest) for (const key in MEASURES) more[key] += one[key]
      inside.push(more)
      inside.sort(heaviest)
    }
    if (!inside.length) return
    for (const [index, [left, top, across, down]] of squarify(inside.map(one => one[choice.value]), x, y, wide, high).entries()) {
      if (across < LEAST || down < LEAST) continue
      const one = inside[index], label = across > 34 && down > 15 ? [make("span", {}, one.name)] : []
      const box = make(one.url ? "div" : "button", one.url ? {className: one.type} : {type: "button", ariaLabel: words(one)}, ...label)
      box.title = words(one)
      box.style.inset = `${part(top, whole[1])} auto auto ${part(left, whole[0])}`
      Object.assign(box.style, {width: part(across, whole[0]), height: part(down, whole[1])})
      boxes.set(box, one)
      map.append(box)
      if (one.url) continue
      if (depth < DEEP && across > INSIDE[0] && down > INSIDE[1] && across * down > EACH * one.inside.size)
        draw(one, left + 3, top + HEAD, across - 6, down - HEAD - 3, depth + 1)
      else box.className = Object.entries(one.types).sort((a, b) => b[1] - a[1])[0][0] // of what it has most
    }
  }
  const show = at => {
    here = at
    whole = [map.clientWidth, map.clientHeight]
    map.replaceChildren()
    draw(at, 0, 0, ...whole, 1)
    told.textContent = words(at)
    const path = []
    for (let one = at; one; one = one.above) if (one.above || root.inside.size > 1) path.unshift(one)
    crumbs.replaceChildren(...path.map(one => {
      const crumb = make("button", {type: "button"}, one.name)
      if (one === at) crumb.setAttribute("aria-current", "true")
      crumb.addEventListener("click", () => { show(one); crumbs.lastChild.focus() })
      return crumb
    }).flatMap(one => [" ", one]))
  }
  map.addEventListener("click", event => {
    const one = boxes.get(event.target.closest(".map > *"))
    if (!one) return
    if (one.url) told.textContent = words(one)
    else { show(one); crumbs.lastChild.focus() }
  })
  choice.addEventListener("change", () => show(here))

  for (const option of [...choice.options]) if (!root[option.value]) option.remove()
  const seen = new Set(entries.rows.map(row => row[TYPE]))
  for (const item of page.querySelectorAll("[data-type]")) item.hidden = !seen.has(item.dataset.type)
  page.hidden = root.count < 2
  for (let only = heavy(here); only.length === 1 && !only[0].url; only = heavy(here)) here = only[0]
  show(here)
  addEventListener("resize", () => { if (map.clientWidth !== whole[0]) show(here) })
}
