const boxes = [...document.querySelectorAll('#bar input[type=checkbox]')];
const search = document.querySelector('#bar input[type=search]');
const least = document.querySelector('#bar input[type=range]');
const articles = [...document.querySelectorAll('article')];
function filter() {
  const shown = new Set(boxes.filter((b) => b.checked).map((b) => b.value));
  const text = search.value.toLowerCase();
  let count = 0;
  for (const a of articles) {
    const fits = shown.has(a.dataset.kind) && Number(a.dataset.severity) >= Number(least.value) && a.textContent.toLowerCase().includes(text);
    a.style.display = fits ? '' : 'none';
    count += fits;
  }
  document.getElementById('count').textContent = `${count} shown`;
}
for (const control of [...boxes, search, least]) control.addEventListener('input', filter);
document.getElementById('none').addEventListener('click', () => {
  const all = !boxes.some((box) => box.checked);
  for (const box of boxes) box.checked = all;
  filter();
});
filter();
