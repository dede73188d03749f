-- Our price is the list price last exported: a campaign's price shows in the lines, not here.
select
    prices.day,
    prices.product_id,
    prices.competitor,
    prices.price,
    products.list_price as own_price,
    cast(products.list_price as double) / nullif(cast(prices.price as double), 0) as price_index
from staging.stg_shop__competitor_prices as prices
left join core.dim_product as products
    on products.product_id = prices.product_id
