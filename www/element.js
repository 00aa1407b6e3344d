// Owns the one way in which this page makes elements: children are elements or text, never markup.

/** An element with a class and children. */
export function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) {
    made.className = className;
  }
  made.append(...children);
  return made;
}
