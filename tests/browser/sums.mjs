/** In a page: the total that it shows, and the sums of its lists: rows, bars of channels, as far as it has them. */
export const sums = () => {
  const number = (element) => Number(element.textContent.replace(/\D/g, ''));
  const sum = (elements) => elements.reduce((total, element) => total + number(element), 0);
  const parts = ['#rows [data-f="value"]', '.bars b'].map((selector) => [...document.querySelectorAll(`main ${selector}`)]);
  return [number(document.querySelector('main [data-n="adds"]')), ...parts.filter((part) => part.length).map(sum)];
};
