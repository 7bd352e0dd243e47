(async function () {
  const places = Array.from(document.querySelectorAll("[data-figure]"));
  const say = function (text) { places.forEach(function (place) { place.textContent = text; }); };
  if (!("DecompressionStream" in window)) {
    say("This browser is too old for the interactive figures; the figures below hold the same numbers.");
    return;
  }
  const packed = document.getElementById("plotly-library").textContent.trim();
  const bytes = Uint8Array.from(atob(packed), function (c) { return c.charCodeAt(0); });
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.text = await new Response(stream).text();
  document.head.appendChild(script);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const colours = function () {
    const ink = dark.matches ? "#e4e6e8" : "#1a1a1a", line = dark.matches ? "#30363d" : "#e3e3e3";
    const box = dark.matches ? "#20262d" : "#ffffff";
    return { "font.color": ink, "xaxis.gridcolor": line, "yaxis.gridcolor": line, "yaxis.zerolinecolor": line,
      "xaxis.zerolinecolor": line, "updatemenus[0].bgcolor": box, "updatemenus[0].font.color": ink };
  };
  dark.addEventListener("change", function () {
    places.forEach(function (place) { window.Plotly.relayout(place, colours()); });
  });
  for (const place of places) {
    const figure = JSON.parse(document.getElementById(place.dataset.figure).textContent);
    place.textContent = "";
    await window.Plotly.newPlot(place, figure.data, figure.layout, figure.config);
    await window.Plotly.relayout(place, colours());
    place.dataset.drawn = "yes";
  }
})();
