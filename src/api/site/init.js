// Starts Swagger UI on the contract that stands next to this page.
"use strict";

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
  url: new URL("swagger.json", document.baseURI).href,
  validatorUrl: null,
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  defaultModelsExpandDepth: 0,
  plugins: [serverIsThisOne],
});

document.getElementById("message").remove();
