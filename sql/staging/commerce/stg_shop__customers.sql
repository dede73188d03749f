-- The newest delivery of a customer wins as a whole: a column it leaves empty is empty now.
-- The place rises by night, then by delivery, for an old night may be corrected late, then by record; a group and a
-- join keep whole rows out of a sort.
with newest as (
    select
        customer_id,
        max(
            cast(cast(_night - date '2000-01-01' as bigint) * 10000000 + _delivery as decimal(18, 0)) * 1000000000000
            + _record
        ) as place
    from bronze.customers
    group by customer_id
)

select
    customers.customer_id,
    lower(trim(customers.email)) as email,
    customers.phone,
    customers.first_name,
    customers.last_name,
    customers.registered_at,
    customers.birth_date,
    lower(trim(customers.gender)) as gender,
    upper(trim(customers.country)) as country,
    customers.city,
    customers.postal_code,
    lower(trim(customers.acquisition_channel)) as acquisition_channel,
    lower(trim(customers.language)) as language,
    customers.consent_email,
    customers.consent_sms,
    customers.updated_at
from newest
inner join bronze.customers as customers
    on customers.customer_id = newest.customer_id
    and newest.place
    = cast(cast(customers._night - date '2000-01-01' as bigint) * 10000000 + customers._delivery as decimal(18, 0))
    * 1000000000000 + customers._record
