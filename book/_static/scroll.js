// What is wider than the page scrolls in a frame of its own, a table once it has been set closer. Such a frame shows where
// there is more, and keyboards reach it.
const frames = ".bd-article :is(.output, .text_html, .pst-scrollable-table-container, .math-block, .wide, pre)";

const overflows = (frame) => frame.scrollWidth > frame.clientWidth + 1 && getComputedStyle(frame).overflowX === "auto";

function mark(frame) {
  frame.classList.remove("close");
  frame.classList.toggle("close", overflows(frame));
  const wide = overflows(frame);
  frame.classList.toggle("scrolls", wide);
  if (!wide) return;
  const caption = frame.closest("figure")?.querySelector(".caption-text");
  frame.tabIndex = 0;
  frame.setAttribute("role", "region");
  frame.setAttribute("aria-label", `Scrolls sideways: ${caption?.textContent ?? "more to the right"}`);
}

// Frames change their size as the page loads, as the window does, and as tabs and cells open.
const watch = new ResizeObserver((entries) => entries.forEach((entry) => mark(entry.target)));

addEventListener("DOMContentLoaded", () => document.querySelectorAll(frames).forEach((frame) => watch.observe(frame)));
