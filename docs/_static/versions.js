// Fills the list of versions from `versions.json`, which stands beside the folder of each version.
// One that is chosen is shown at the same page, or from its start where it has none of that name.

addEventListener("DOMContentLoaded", async () => {
  const list = document.querySelector(".versions select");
  if (!list || location.protocol === "file:") return;
  const here = new URL(list.dataset.root, location.href); // the landing page of this version
  const above = new URL("../", here);
  let versions;
  try {
    const answer = await fetch(new URL("versions.json", above));
    if (!answer.ok) return;
    versions = await answer.json();
  } catch {
    return; // none there: a site that stands alone
  }
  const folder = decodeURIComponent(here.pathname.split("/").at(-2));
  for (const { folder: of, title } of versions) {
    list.add(new Option(title, of, false, of === folder));
  }
  list.closest(".versions").hidden = false;
  list.addEventListener("change", async () => {
    const start = new URL(`${encodeURIComponent(list.value)}/`, above);
    const same = new URL(list.dataset.page, start);
    let found = false;
    try {
      found = (await fetch(same, { method: "HEAD" })).ok;
    } catch {
      // then from its start
    }
    location.href = (found ? same : new URL("index.html", start)).href + (found ? location.hash : "");
  });
});
