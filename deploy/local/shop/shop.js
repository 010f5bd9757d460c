/** The demo's shop: draws its pages, keeps the basket in this tab, and tells the tracker what is bought. */

// What is told before the tracker is there is not lost.
window.tidemark ||= (...call) => (tidemark.q ||= []).push(call);

const CURRENCY = 'EUR';
const GOODS = {
  'tide-clock': ['Tide clock', 89, 'High water, low water and all between, on one dial. Runs two years on a single cell.'],
  'brass-compass': ['Brass compass', 64.5, 'Liquid-damped, with a lid. Still points north when everything else has gone overboard.'],
  'anchor-rope': ['Anchor rope', 38, 'Thirty metres of three-strand nylon. Stretches before your patience does.'],
  'head-torch': ['Head torch', 29.9, 'Red light for the chart table, white light for the halyard that got away.'],
  'wool-jumper': ['Wool jumper', 119, 'Knitted in the round and warm when wet, which it will be.'],
  'paper-chart': ['Paper chart', 24, 'Works without a battery. Coffee rings come by themselves.'],
};

/** Strokes on a field of 48 by 48. */
const DRAWINGS = {
  'tide-clock': '<circle cx="24" cy="24" r="17"/><path d="M24 13v11l7 5M10 30q3.5-4 7 0t7 0 7 0 7 0"/>',
  'brass-compass': '<circle cx="24" cy="26" r="15"/><circle cx="24" cy="7" r="3"/><path d="m30 20-4 8-8 4 4-8z"/>',
  'anchor-rope': '<ellipse cx="24" cy="24" rx="17" ry="9"/><ellipse cx="24" cy="24" rx="9" ry="4"/><path d="M7 24v7q17 16 34 0v-7M41 31q5 4 3 10"/>',
  'head-torch': '<path d="M6 20q18-9 36 0M6 26q18-9 36 0"/><rect x="17" y="15" width="14" height="16" rx="4"/><circle cx="24" cy="23" r="3.5"/><path d="M24 36v6m-8-7-3 5m19-5 3 5"/>',
  'wool-jumper': '<path d="m17 8-11 7 3 13 6-2v15h18V26l6 2 3-13-11-7q-7 6-14 0zM15 36h18M17 20h14"/>',
  'paper-chart': '<path d="m6 12 12-4 12 4 12-4v28l-12 4-12-4-12 4zM18 8v28m12-24v28"/>',
};

const main = document.createElement('main');
const price = (amount) => new Intl.NumberFormat('en', { style: 'currency', currency: CURRENCY }).format(amount);
const drawing = (name) => `<svg class="drawing" viewBox="0 0 48 48" aria-hidden="true">${DRAWINGS[name]}</svg>`;
const basket = () => JSON.parse(sessionStorage.getItem('basket') ?? '{}');
const count = () => Object.values(basket()).reduce((sum, number) => sum + number, 0);
const total = () => Object.entries(basket()).reduce((sum, [name, number]) => sum + GOODS[name][1] * number, 0);

function keep(changed) {
  sessionStorage.setItem('basket', JSON.stringify(changed));
  document.querySelector('#count').textContent = count() || '';
}

function card(name) {
  const [title, amount] = GOODS[name];
  return `<a class="card" href="/products/${name}">${drawing(name)}<span>${title}</span><b>${price(amount)}</b></a>`;
}

const PAGES = {
  home: () => `
    <section class="hero">
      <h1>For small boats, long coasts and wet weather</h1>
      <p>Six good things, sent to every quay from Hobart to Halifax.</p>
      <a class="button" href="/products">See all goods</a>
    </section>
    <h2>Often packed</h2>
    <div class="cards">${['tide-clock', 'wool-jumper', 'brass-compass'].map(card).join('')}</div>`,

  products: () => `<h1>All goods</h1><div class="cards">${Object.keys(GOODS).map(card).join('')}</div>`,

  product: (name) => {
    const [title, amount, text] = GOODS[name];
    return `
      <article class="product">
        ${drawing(name)}
        <div>
          <h1>${title}</h1>
          <p>${text}</p>
          <p class="price">${price(amount)}</p>
          <button class="button" id="add" type="button">Add to the basket</button>
          <p id="added" role="status"></p>
          <a href="/products">All goods</a>
        </div>
      </article>`;
  },

  cart: () => `<h1>Basket</h1>${count() ? lines() : '<p>Nothing in it yet. <a href="/products">See all goods</a></p>'}`,

  checkout: () => `
    <h1>Checkout</h1>
    <p>${count() ? `Together ${price(total())}.` : 'The basket is empty.'} This is a demonstration: nothing is paid, nothing is sent.</p>
    <form id="pay">
      <label>Quay <input name="quay" autocomplete="off" placeholder="Berth 7, Halifax"></label>
      <label>Boat <input name="boat" autocomplete="off" placeholder="Kittiwake"></label>
      <button class="button"${count() ? '' : ' disabled'}>Buy</button>
    </form>`,

  thanks: () => `
    <section class="hero">
      <h1>Thank you, and fair winds</h1>
      <p>Your order has been counted: look at the dashboard.</p>
      <a class="button" href="/">Back to the shop</a>
    </section>`,
};

function lines() {
  const rows = Object.entries(basket()).map(
    ([name, number]) => `
      <li>${drawing(name)}<a href="/products/${name}">${GOODS[name][0]}</a><span>${number} × ${price(GOODS[name][1])}</span>
      <button type="button" data-remove="${name}" aria-label="Remove: ${GOODS[name][0]}">✕</button></li>`,
  );
  return `<ul class="lines">${rows.join('')}</ul>
    <p class="price">${price(total())}</p><a class="button" id="checkout" href="/checkout">To the checkout</a>`;
}

function draw() {
  const { page, product } = document.body.dataset;
  main.innerHTML = PAGES[page](product);
}

document.body.innerHTML = `
  <header>
    <a class="name" href="/"><svg viewBox="0 0 48 48" aria-hidden="true"><path d="M4 20q7-9 13 0t13 0 14 0M4 32q7-9 13 0t13 0 14 0"/></svg>
      Harbour &amp; Tide</a>
    <nav><a href="/products">Goods</a><a id="cart" href="/cart">Basket <span id="count">${count() || ''}</span></a></nav>
  </header>
  <footer>A demonstration: its pages and clicks are counted by Tidemark, without cookies.</footer>`;
document.querySelector('header').after(main);
draw();

main.addEventListener('click', ({ target }) => {
  const { product } = document.body.dataset;
  if (target.id === 'add') {
    keep({ ...basket(), [product]: (basket()[product] ?? 0) + 1 });
    document.querySelector('#added').innerHTML = 'Packed. <a href="/cart">To the basket</a>';
    tidemark('add-to-cart', { value: GOODS[product][1], currency: CURRENCY });
  } else if (target.dataset.remove) {
    const { [target.dataset.remove]: _, ...left } = basket();
    keep(left);
    draw();
  }
});

main.addEventListener('submit', (event) => {
  event.preventDefault();
  tidemark('conversion', { value: total(), currency: CURRENCY, orderId: Date.now() });
  keep({});
  location.href = '/thank-you';
});
