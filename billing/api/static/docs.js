// Shows the API's document to whoever has a token. The token is kept in this page's memory
// alone: not in storage, not in the URL.
"use strict";

const entry = document.getElementById("entry");
const trouble = document.getElementById("trouble");

async function tokenOf(credential, secret) {
  // RFC 6749, section 2.3.1: both are form-encoded before they are joined.
  const encode = (text) => encodeURIComponent(text).replace(/%20/g, "+");
  const answer = await fetch("/oauth/token", {
    method: "POST",
    headers: {
      Authorization: `Basic ${btoa(`${encode(credential)}:${encode(secret)}`)}`,
      "Content-Type": "application/x-www-form-urlencoded",
    },
    body: "grant_type=client_credentials",
  });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error_description || told.error);
  return told.access_token;
}

async function documentFor(token) {
  const answer = await fetch("/openapi.json", { headers: { Authorization: `Bearer ${token}` } });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.detail || told.title);
  return told;
}

function show(spec, token) {
  // Calls go to the gateway that showed this page, under whatever name it was reached.
  spec.servers = [{ url: window.location.origin }];
  window.SwaggerUIBundle({
    spec,
    domNode: document.getElementById("api"),
    deepLinking: true,
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    docExpansion: "list",
    validatorUrl: null,
    requestInterceptor: (request) => {
      if (new URL(request.url, window.location.href).origin === window.location.origin) {
        request.headers.Authorization ??= `Bearer ${token}`;
      }
      return request;
    },
  });
}

entry.addEventListener("submit", async (event) => {
  event.preventDefault();
  trouble.textContent = "";
  const { token, credential, secret } = entry.elements;
  try {
    const held = token.value.trim() || (await tokenOf(credential.value.trim(), secret.value));
    show(await documentFor(held), held);
    entry.reset();
    entry.hidden = true;
  } catch (error) {
    trouble.textContent = error.message;
  }
});
