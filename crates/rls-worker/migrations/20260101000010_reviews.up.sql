-- What somebody decides about an order that is caught, and about a product that needs a review.

alter table trade_caught_orders
    -- The day on which the state began; that of the catch where none is named.
    add column state_since date,
    -- Nobody where the state is the machine's.
    add column decided_by text,
    add column note text;

alter table sima_reviews
    add column evidence_ref text,
    add column decided_at timestamptz not null default now();
