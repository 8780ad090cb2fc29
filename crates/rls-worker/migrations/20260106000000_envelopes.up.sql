-- How the file of a job is read; nothing where that could not be told when it was handed in.
alter table uploads add column adapter text;
