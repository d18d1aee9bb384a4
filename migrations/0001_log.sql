CREATE TABLE `peer_log` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`swarm` text NOT NULL,
	`host` text NOT NULL,
	`port` integer NOT NULL,
	`zone` text NOT NULL,
	`peer` text,
	`complete` integer,
	`expires` integer NOT NULL
);
--> statement-breakpoint
ALTER TABLE `peers` ADD `zone` text DEFAULT 'public' NOT NULL;