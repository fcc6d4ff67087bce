/*
 * Copyright (c) 2026, The originsec.cloudflare authors
 * GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
"use strict";
{
  const table = document.querySelector("#zones table");
  const bodies = [...table.tBodies];
  const folded = document.getElementById("folded");
  const unfold = document.getElementById("unfold");
  const heads = [...table.tHead.rows[0].cells];
  const rows = () => bodies.flatMap((body) => [...body.rows]);
  const words = new Intl.Collator("en", { numeric: true });

  // An unreadable zone has one cell in the place of most.
  const value = (row, column) => row.cells[column]?.dataset.value ?? row.cells[column]?.textContent.trim() ?? "";

  const compare = (one, other) => (isNaN(one) || isNaN(other) ? words.compare(one, other) : one - other);

  const sort = (column) => {
    const ascending = heads[column].getAttribute("aria-sort") !== "ascending";
    const valued = rows().map((row) => [value(row, column), row]);
    // What is blank stays at the end, whichever way round.
    valued.sort(([one], [other]) => !one - !other || (ascending ? compare(one, other) : compare(other, one)));
    // All in one body: what is folded would be out of order.
    bodies[0].append(...valued.map(([, row]) => row));
    open();
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[column].setAttribute("aria-sort", ascending ? "ascending" : "descending");
    document.getElementById("sorted").textContent =
      `Sorted by ${heads[column].textContent}, ${ascending ? "ascending" : "descending"}`;
  };

  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => sort(column));
    head.replaceChildren(button);
  });
  table.classList.add("sortable");

  // Folded rows are unfolded for good by whatever asks for them: a search, a filter, sorting, a link.
  const open = () => {
    if (!folded) return;
    folded.hidden = false;
    unfold.hidden = true;
  };
  if (folded) {
    folded.hidden = true;
    unfold.hidden = false;
    unfold.querySelector("button").addEventListener("click", open);
  }
  const follow = () => {
    const target = folded && location.hash.startsWith("#zone-") && document.getElementById(location.hash.slice(1));
    if (!target || !folded.contains(target)) return;
    open();
    target.scrollIntoView();
  };
  addEventListener("hashchange", follow);
  follow();

  const [search, filter, matching] = ["search", "filter", "matching"].map((id) => document.getElementById(id));
  const all = rows().map((row) => [row, row.textContent.toLowerCase()]);
  const choose = () => {
    const wanted = search.value.trim().toLowerCase().split(/\s+/);
    const chosen = all.filter(([row, text]) => {
      const matches = (!filter.value || row.dataset.status === filter.value) && wanted.every((word) => text.includes(word));
      row.hidden = !matches;
      return matches;
    });
    const asked = Boolean(search.value.trim() || filter.value);
    if (asked) open();
    matching.textContent = asked ? `${chosen.length} of ${all.length} zones` : "";
  };
  search.addEventListener("input", choose);
  filter.addEventListener("input", choose);
  document.getElementById("controls").hidden = false;
}
