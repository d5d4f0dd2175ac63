// What is wider than the page scrolls in a frame of its own. Such a frame shows where there is more, and keyboards reach it.
const frames = ".cell_output, .table-figure, .pst-scrollable-table-container, .math-block, .wide";

function mark(frame) {
  const inner = [frame, ...frame.querySelectorAll(".output, .pst-scrollable-table-container, .words, .math-block")];
  for (const box of inner) {
    const wide = box.scrollWidth > box.clientWidth + 1 && getComputedStyle(box).overflowX === "auto";
    box.classList.toggle("scrolls", wide);
    if (!wide) continue;
    const caption = box.closest("figure")?.querySelector(".caption-text");
    box.setAttribute("tabindex", "0");
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", (caption ? caption.textContent + " " : "") + "Scrolls sideways");
  }
}

function markAll() {
  document.querySelectorAll(frames).forEach(mark);
}

addEventListener("DOMContentLoaded", markAll);
addEventListener("load", markAll);
addEventListener("resize", markAll);
addEventListener("click", () => setTimeout(markAll)); // a tab that opens shows what had no width before
