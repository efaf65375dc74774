// Sends one of each call and many tracks with an SDK for Node, as a customer's program would.
const [sdk, url, key, count, pause] = process.argv.slice(2)
const errors = []
const who = { userId: "u-1", anonymousId: "c-1" }

const clients = {
  segment: () => {
    const { Analytics } = require("@segment/analytics-node")
    const client = new Analytics({ writeKey: key, host: url })
    client.on("error", (error) => errors.push(`${error.code}: ${error.reason}`))
    return [client, () => client.closeAndFlush({ timeout: 60_000 })]
  },
  rudder: () => {
    const Analytics = require("@rudderstack/rudder-sdk-node")
    const errorHandler = (error) => errors.push(error.message)
    const client = new Analytics(key, { dataPlaneUrl: url, logLevel: "error", errorHandler })
    return [client, () => client.flush()]
  },
}

async function main() {
  const [client, close] = clients[sdk]()
  client.identify({ ...who, traits: { email: "anna@example.org", born: new Date(Date.UTC(1984, 1, 29)) } })
  client.track({ ...who, event: "Order Completed", properties: { revenue: 14.99, note: "Grüße 🍵" } })
  client.page({ ...who, category: "Docs", name: "Home", properties: { url: "https://shop.example.org" } })
  client.screen({ ...who, name: "Start", context: { ip: "192.0.2.1" }, integrations: { All: false } })
  client.group({ ...who, groupId: "g-1", traits: { name: "Initech" } })
  client.alias({ previousId: "c-1", userId: "u-1" })
  client.track({ userId: "u-2", event: "Long Ago", timestamp: new Date("2024-02-29T23:59:59-11:00") })
  client.track({ userId: sdk === "segment" ? "7" : 7, event: "By Number" }) // Segment's refuses a number by itself
  client.group({ ...who, groupId: "g".repeat(501) }) // too long: quarantined, and its batch is not the worse for it
  for (let number = 0; number < count; number++) {
    client.track({ userId: `u-${number % 7}`, event: "Seen", properties: { number }, messageId: `m-${number}` })
    if (Number(pause)) await new Promise((resolve) => setTimeout(resolve, pause))
  }
  await close()
  if (errors.length) throw new Error(errors.join("; "))
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
