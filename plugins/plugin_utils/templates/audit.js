/*
 * Copyright (c) 2026, The originsec.cloudflare authors
 * GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
"use strict";
{
  const table = document.querySelector("#zones table");
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const words = new Intl.Collator("en", { numeric: true });

  // An unreadable zone has one cell in the place of most.
  const value = (row, column) => row.cells[column]?.dataset.value ?? row.cells[column]?.textContent.trim() ?? "";

  const compare = (one, other) => (isNaN(one) || isNaN(other) ? words.compare(one, other) : one - other);

  const sort = (column) => {
    const ascending = heads[column].getAttribute("aria-sort") !== "ascending";
    const rows = [...body.rows].map((row) => [value(row, column), row]);
    // What is blank stays at the end, whichever way round.
    rows.sort(([one], [other]) => !one - !other || (ascending ? compare(one, other) : compare(other, one)));
    body.append(...rows.map(([, row]) => row));
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
}
