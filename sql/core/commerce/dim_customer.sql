-- Who ordered is a customer, whether or not the shop exported a profile. Contact data stays in staging.
with profiles as (
    select
        customer_id,
        cast(registered_at as date) as registered_on,
        birth_date,
        gender,
        country,
        city,
        acquisition_channel,
        language,
        email is not null as has_email,
        phone is not null as has_phone,
        consent_email,
        consent_sms
    from staging.stg_shop__customers
),

buyers as (
    select distinct customer_id
    from staging.stg_shop__orders
    where customer_id is not null
),

without_profile as (
    select buyers.customer_id
    from buyers
    where not exists (select 1 from profiles where profiles.customer_id = buyers.customer_id)
)

select
    customer_id,
    true as has_profile,
    registered_on,
    cast(extract(year from birth_date) as integer) as birth_year,
    gender,
    country,
    city,
    acquisition_channel,
    language,
    has_email,
    has_phone,
    consent_email,
    consent_sms
from profiles
union all
select
    customer_id,
    false as has_profile,
    cast(null as date) as registered_on,
    cast(null as integer) as birth_year,
    cast(null as varchar) as gender,
    cast(null as varchar) as country,
    cast(null as varchar) as city,
    cast(null as varchar) as acquisition_channel,
    cast(null as varchar) as language,
    cast(null as boolean) as has_email,
    cast(null as boolean) as has_phone,
    cast(null as boolean) as consent_email,
    cast(null as boolean) as consent_sms
from without_profile
