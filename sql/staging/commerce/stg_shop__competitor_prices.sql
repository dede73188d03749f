-- A price seen is delivered once.
select
    day,
    product_id,
    trim(competitor) as competitor,
    price
from bronze.competitor_prices
