#!/usr/bin/env node
import { cli } from 'tidemark';
import { jobs } from './jobs/index.js';

await cli({ jobs });
