document.querySelectorAll("table.sortable").forEach(function (table) {
  const heads = Array.from(table.tHead.rows[0].cells), body = table.tBodies[0];
  heads.forEach(function (head, column) {
    head.addEventListener("click", function () {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach(function (other) { other.removeAttribute("aria-sort"); });
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const raw = function (row) { return row.cells[column].dataset.key; };
      const rows = Array.from(body.rows), key = function (row) { return parseFloat(raw(row)); };
      const words = rows.every(function (row) { return Number.isNaN(key(row)); });
      rows.sort(function (a, b) {
        if (words) { return (down ? -1 : 1) * raw(a).localeCompare(raw(b)); }
        if (Number.isNaN(key(a))) { return 1; }
        if (Number.isNaN(key(b))) { return -1; }
        return down ? key(b) - key(a) : key(a) - key(b);
      }).forEach(function (row) { body.appendChild(row); });
    });
  });
});
// tables and figures that do not fit say so
const measure = function () {
  document.querySelectorAll(".wide").forEach(function (box) {
    box.classList.toggle("more", box.scrollWidth > box.clientWidth + 4);
  });
};
window.addEventListener("load", measure);
window.addEventListener("resize", measure);
document.querySelectorAll("details").forEach(function (box) { box.addEventListener("toggle", measure); });
// a link to a folded part opens it, and paper shows everything
const unfold = function () {
  const place = location.hash && document.querySelector(location.hash);
  if (place) { (place.closest("details") || {}).open = true; place.scrollIntoView(); }
};
window.addEventListener("hashchange", unfold);
window.addEventListener("load", unfold);
window.addEventListener("beforeprint", function () {
  document.querySelectorAll("details").forEach(function (box) { box.open = true; });
});
