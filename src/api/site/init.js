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

const dark = matchMedia("(prefers-color-scheme: dark)");
const followColorScheme = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", followColorScheme);
followColorScheme();

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

// Shows the schema of a body beside its example, also while the example is edited. Swagger UI has a tab
// for each, and hides the schema of a body that is to be sent.
const schemaBesideExample = ({ React: { createElement: element } }) => ({
  wrapComponents: {
    modelExample: () => (props) => {
      const Schema = props.getComponent("ModelWrapper");
      const { defaultModelExpandDepth: expandDepth } = props.getConfigs();
      return element(
        "div",
        { className: "example-and-schema" },
        element("div", null, element("p", null, props.isExecute ? "Body" : "Example"), props.example),
        element("div", null, element("p", null, "Schema"), element(Schema, { ...props, expandDepth })),
      );
    },
  },
});

// The path of an operation is a text: a link within the button that opens the operation would be a second
// control there. Opening an operation changes the address all the same.
const pathsWithoutLinks = ({ React: { createElement: element } }) => ({
  wrapComponents: { DeepLink: () => ({ text }) => element("span", null, text) },
});

// Shows the description of an error, and its example at a click: all errors look alike.
const collapsedErrors = ({ React: { createElement: element, useState } }) => ({
  wrapComponents: {
    response: (Original) => (props) => {
      const [isOpen, open] = useState(false);
      if (isOpen || !/^[45]/.test(props.code)) return element(Original, props);
      const Markdown = props.getComponent("Markdown", true);
      return element(
        "tr",
        { className: "response", "data-code": props.code },
        element("td", { className: "response-col_status" }, props.code),
        element(
          "td",
          { className: "response-col_description" },
          element(
            "div",
            { className: "collapsed" },
            element(Markdown, { source: props.response.get("description") }),
            element(
              "button",
              { className: "show-error", type: "button", "aria-label": `Show the example of ${props.code}`, onClick: () => open(true) },
              "example",
            ),
          ),
        ),
        element("td", { className: "response-col_links" }),
      );
    },
  },
});

SwaggerUIBundle({
  dom_id: "#ui",
  url: new URL(`${contract}.json`, document.baseURI).href,
  validatorUrl: null,
  deepLinking: true,
  displayRequestDuration: true,
  filter: true,
  showCommonExtensions: true,
  tryItOutEnabled: true,
  defaultModelsExpandDepth: -1,
  defaultModelExpandDepth: 2,
  plugins: [serverIsThisOne, schemaBesideExample, pathsWithoutLinks, collapsedErrors],
});

if (contracts.length > 1) {
  const label = document.createElement("label");
  const select = document.createElement("select");
  for (const name of contracts) select.append(new Option(name, name, false, name === contract));
  select.addEventListener("change", () => location.assign(`?contract=${select.value}`));
  label.append("Contract ", select);
  const bar = document.createElement("nav");
  bar.id = "contracts";
  bar.append(label);
  document.body.prepend(bar);
}

document.getElementById("message").remove();

// Swagger UI leaves some controls without a name for screen readers, and scrolls boxes that the keyboard
// cannot reach.
const nameControls = () => {
  const name = (selector, label) => {
    for (const control of document.querySelectorAll(`:is(${selector}):not([aria-label])`)) {
      if (control.textContent.trim() !== "" && control.matches("button")) continue;
      control.setAttribute("aria-label", typeof label === "string" ? label : label(control));
    }
  };
  const parameter = (control) => control.closest("tr")?.dataset.paramName ?? "Value";
  name("input.operation-filter-input", "Filter operations");
  name(".parameters input, .parameters select, .parameters textarea", parameter);
  name("textarea.body-param__text", "Body");
  name("select.content-type", "Media type");
  name("#servers", "Server");
  name(".examples-select-element", "Example");
  name(".authorize", "Log in");
  name("button.copy-to-clipboard, .copy-to-clipboard button", "Copy");
  name(".model-box-control:has(> .model-toggle:only-child)", "Expand or collapse the schema");
  name(".expand-operation", "Expand or collapse the group");
  for (const box of document.querySelectorAll("pre.microlight:not([tabindex]), .highlight-code pre:not([tabindex])")) box.tabIndex = 0;
};
new MutationObserver(nameControls).observe(document.getElementById("ui"), { childList: true, subtree: true });
