// Starts Swagger UI on a contract that stands next to this page: the first one, or the one that the
// query names (`?contract=<name>`).
"use strict";

// The server puts the names of its contracts in here.
const contracts = ["{contracts}"];
const asked = new URLSearchParams(location.search).get("contract");
const contract = contracts.includes(asked) ? asked : contracts[0];

// The page is <base>/api/docs. "Try it out" must call the server that serves the page, under
// whatever name it was reached: the page's policy allows no other.
const base = new URL("..", document.baseURI).href.replace(/\/$/, "");

const serverIsThisOne = () => ({
  statePlugins: {
    spec: {
      wrapActions: {
        updateJsonSpec: (original) => (contract) =>
          original({ ...contract, servers: [{ url: base, description: "This server" }] }),
      },
    },
  },
});

SwaggerUIBundle({
  dom_id: "#ui",
  url: new URL(`${contract}.json`, document.baseURI).href,
  validatorUrl: null,
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  defaultModelsExpandDepth: 0,
  plugins: [serverIsThisOne],
});

if (contracts.length > 1) {
  const links = document.createElement("nav");
  for (const name of contracts) {
    const link = document.createElement("a");
    link.href = `?contract=${name}`;
    link.textContent = name;
    links.append(link, " ");
  }
  document.body.prepend(links);
}

document.getElementById("message").remove();
