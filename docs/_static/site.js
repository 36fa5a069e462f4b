// The arrows that unfold a section in the sidebar are pictures only: a name for who does not see them.
document.addEventListener("DOMContentLoaded", () => {
  for (const arrow of document.querySelectorAll(".bd-sidebar-primary details > summary")) {
    arrow.setAttribute("aria-label", "Pages of this section");
  }
});
