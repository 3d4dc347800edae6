// Before the first paint, and so not a module: the colours that were chosen, else the system's.
"use strict";
{
  const chosen = localStorage.getItem("haversack-theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
}
