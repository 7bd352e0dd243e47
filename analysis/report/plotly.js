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
  for (const place of places) {
    const figure = JSON.parse(document.getElementById(place.dataset.figure).textContent);
    place.textContent = "";
    await window.Plotly.newPlot(place, figure.data, figure.layout, figure.config);
    place.dataset.drawn = "yes";
  }
})();
