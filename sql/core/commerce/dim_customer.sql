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
)

select
    coalesce(profiles.customer_id, buyers.customer_id) as customer_id,
    profiles.customer_id is not null as has_profile,
    profiles.registered_on,
    cast(extract(year from profiles.birth_date) as integer) as birth_year,
    profiles.gender,
    profiles.country,
    profiles.city,
    profiles.acquisition_channel,
    profiles.language,
    profiles.has_email,
    profiles.has_phone,
    profiles.consent_email,
    profiles.consent_sms
from profiles
full join buyers
    on buyers.customer_id = profiles.customer_id
