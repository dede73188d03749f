-- Who was known by the night, and nothing else of them. Features read the spine's night, never the parameter: with
-- a spine of other nights the same SQL gives other nights' features.
select
    customer_id,
    cast($night as date) as night
from core.int_customer_firsts
where first_seen_on <= $night
