// Sorts and searches the tables and draws the treemap. All text goes in as text: nothing here is read as HTML.
"use strict"
const data = document.getElementById("data"), origin = data.dataset.origin
const tables = JSON.parse(data.textContent)
const make = (tag, more, ...inside) => {
  const made = Object.assign(document.createElement(tag), more)
  made.append(...inside)
  return made
}

// The same words as report/words.py and report/units.py.
const count = value => value.toLocaleString("en-US")
const number = value => {
  const digits = value ? Math.floor(Math.log10(Number(value.toPrecision(3)))) : 2
  const places = Math.min(Math.max(2 - digits, 0), 6)
  return value.toLocaleString("en-US", {minimumFractionDigits: places, maximumFractionDigits: places})
}
const size = value => {
  let power = 0
  for (; value >= 999.5 && power < 4; power++) value /= 1000
  return power ? `${number(value)} ${["", "kB", "MB", "GB", "TB"][power]}` : `${Math.round(value)} B`
}
const seconds = value => value >= 0.9995 || !value ? `${number(value)} s`
  : value >= 0.0009995 ? `${number(value * 1e3)} ms` : `${Math.round(value * 1e6)} us`
const NUMBERS = {count, size, seconds}

const short = url => origin && url.startsWith(`${origin}/`) ? url.slice(origin.length) : url
const link = url => /^https?:\/\//.test(url) ? make("a", {href: url, target: "_blank", rel: "noreferrer"}, short(url)) : url
const CELLS = {
  url: value => [link(value)],
  chain: hops => hops.map(([status, url]) => make("div", {}, `${status} `, link(url))),
  urls: ([urls, many]) => {
    const inside = urls.slice(1).map(url => make("div", {}, link(url)))
    if (many > urls.length) inside.push(make("div", {}, `${count(many - urls.length)} are not listed`))
    const more = urls.length ? `and ${count(many - 1)} more` : `${count(many)} pages`
    return [...urls.slice(0, 1).map(link), ...(inside.length ? [make("details", {}, make("summary", {}, more), ...inside)] : [])]
  },
}
const cell = ([, name, kind], value) => {
  const inside = value === null ? ["-"] : kind in CELLS ? CELLS[kind](value) : [kind in NUMBERS ? NUMBERS[kind](value) : value]
  const made = make("td", {className: kind in NUMBERS ? "number" : kind in CELLS ? "url" : kind}, ...inside)
  made.dataset.name = name
  if (kind === "size" && value !== null) made.title = `${count(value)} bytes`
  return made
}

// Only rows that are shown are in the document: a table of 10,000 is sorted and searched as data.
const enhance = ({key, columns, rows}) => {
  const section = document.getElementById(key), body = section.querySelector("tbody")
  const first = body.rows.length, heads = [...section.querySelectorAll("th")]
  const texts = [] // of each row for the search, made when it is first used
  let all = rows, limit = first, sorted = -1, down = false
  const ranks = rows.length > first ? section.querySelector(".scroll") : null
  const input = make("input", {type: "search", placeholder: "Search", ariaLabel: `Search: ${section.querySelector("h2").textContent}`})
  const told = make("span", {className: "soft", ariaLive: "polite"})
  const more = make("button", {type: "button", className: "more"}), every = make("button", {type: "button", className: "more"})
  const draw = () => {
    body.replaceChildren(...all.slice(0, limit).map(row => make("tr", {}, ...row.map((value, at) => cell(columns[at], value)))))
    label()
  }
  const label = () => {
    told.textContent = `${all.length < rows.length ? `${count(all.length)} of ` : ""}${count(rows.length)} rows`
    const left = all.length - limit
    more.hidden = left <= 0
    every.hidden = left <= 100 || all.length > 2000
    more.textContent = `Show ${count(Math.min(100, left))} more`
    every.textContent = `Show all ${count(all.length)}`
  }
  const rank = value => Array.isArray(value) ? (columns[sorted][2] === "urls" ? value[1] : value.length) : value
  const order = (a, b) => {
    const one = rank(a[sorted]), other = rank(b[sorted])
    if (one === null || other === null) return (one === null) - (other === null) // what is not known stands last
    const less = typeof one === typeof other ? one < other : typeof one === "number" // 404 before "dns_not_found"
    return one === other ? 0 : less === down ? 1 : -1
  }
  const find = () => {
    const wanted = input.value.toLowerCase().split(/\s+/).filter(Boolean)
    if (wanted.length && !texts.length) for (const row of rows) texts.push(row.flat(2).join(" ").toLowerCase())
    all = wanted.length ? rows.filter((_, at) => wanted.every(word => texts[at].includes(word))) : rows
    if (sorted >= 0) all = [...all].sort(order)
    limit = first
    draw()
  }
  heads.forEach((head, at) => {
    const button = make("button", {type: "button"}, ...head.childNodes)
    head.append(button)
    button.addEventListener("click", () => {
      down = sorted === at ? !down : columns[at][2] in NUMBERS || columns[at][2] in {urls: 1, chain: 1}
      sorted = at
      heads.forEach(other => other.removeAttribute("aria-sort"))
      head.setAttribute("aria-sort", down ? "descending" : "ascending")
      find()
    })
  })
  more.addEventListener("click", () => { limit += 100; draw() })
  every.addEventListener("click", () => { limit = all.length; draw() })
  input.addEventListener("input", find)
  if (ranks) {
    ranks.before(make("div", {className: "bar"}, input, told))
    ranks.after(more, every)
    label()
  }
}
tables.forEach(enhance)
